// Dictionary
