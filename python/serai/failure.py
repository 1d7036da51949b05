"""An error that ends a command: what was tried, what was found, what to do."""

FAILED = 1
WRONG_USE = 2
LIFESPAN_FAILED = 3


class Failure(Exception):
    """Shown to the user as three lines. `exit_code` is FAILED, WRONG_USE or LIFESPAN_FAILED."""

    def __init__(self, tried: str, found: str, fix: str, *, exit_code: int = FAILED) -> None:
        super().__init__(found)
        self.tried = tried
        self.found = found
        self.fix = fix
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.tried}\n  found  {self.found}\n  do     {self.fix}"


def wrong_use(tried: str, found: str, fix: str) -> Failure:
    """The command line is at fault, not the app or the machine."""
    return Failure(tried, found, fix, exit_code=WRONG_USE)
