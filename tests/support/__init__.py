"""What the suites share: a private Serai (`host`), a client (`web`), load with verification (`load`), leftovers."""
