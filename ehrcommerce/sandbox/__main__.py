"""`python -m ehrcommerce.sandbox migrate | load [--fhir-data DIR] | serve --host H --port N | any Django command`."""

import os
import sys


def main() -> None:
    """Hand the words over to Django with the sandbox's own settings, whatever the surroundings say."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "ehrcommerce.sandbox.settings"
    from django.core.management import execute_from_command_line

    execute_from_command_line(["python -m ehrcommerce.sandbox", *sys.argv[1:]])


if __name__ == "__main__":
    main()
