"""Behaviours by path, for the apps beside this file."""


class Routes(dict):
    def at(self, path):
        """A decorator for the function that answers there."""

        def add(function):
            self[path] = function
            return function

        return add

    def named(self, function):
        """A decorator: the function answers at the path of its own name."""
        return self.at("/" + function.__name__.replace("_", "-"))(function)
