"""Errors as a client of Doris sees them."""


class DorisError(Exception):
    """What Doris would refuse: code, SQL state, and its text.

    Clients see `errCode = 2, detailMessage = ` before the text
    (doc: table-design/data-partitioning/auto-partitioning.md shows one whole).
    """

    def __init__(self, message, code=1105, state="HY000"):
        super().__init__(message)
        self.message = message
        self.code = code
        self.state = state

    @property
    def wire(self):
        return "errCode = 2, detailMessage = " + self.message


class StandInGap(DorisError):
    """Doris would take this, the stand-in cannot: never passed over in silence."""

    def __init__(self, what):
        super().__init__("the stand-in does not do this, Doris may: " + what)


# Numbers and texts: src: fe/fe-core/src/main/java/org/apache/doris/common/ErrorCode.java
def unknown_database(name):
    return DorisError("Unknown database '%s'" % name, 1049, "42000")


def no_database():
    return DorisError("No database selected", 1046, "3D000")


def table_exists(name):
    return DorisError("Table '%s' already exists" % name, 1050, "42S01")


def unknown_table(name, database):
    return DorisError("Unknown table '%s' in %s" % (name, database), 1109, "42S02")


def access_denied(user, with_password):
    error = DorisError("Access denied for user '%s' (using password: %s)" % (user, "YES" if with_password else "NO"),
                       1045, "28000")
    return error
