"""`python -m serai.collect_static FOLDER`: collects a Django site's static files where STATIC_ROOT is not set."""

import sys


def main(folder: str) -> None:
    import django
    from django.conf import settings
    from django.core.management import call_command

    sys.path.insert(0, "")
    django.setup()
    settings.STATIC_ROOT = folder
    call_command("collectstatic", interactive=False, verbosity=1)


if __name__ == "__main__":
    main(sys.argv[1])
