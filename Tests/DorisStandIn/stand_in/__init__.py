"""A stand-in for Apache Doris 3.1, for tests. Not Doris. See README.md in the folder above."""

VERSION = "3.1"
COMMENT = "Doris STAND-IN for tests (rules of Apache Doris 3.1; this is NOT Apache Doris)"
