"""A background process: reads new pictures and stores their SHA-256, so that doubles can be found."""

import hashlib
import signal
import threading

from django.core.management.base import BaseCommand, CommandParser

from gallery.models import Picture


class Command(BaseCommand):
    help = "Stores the digest of each new picture; stays until it is stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--interval", type=float, default=1.0, help="seconds between two looks")
        parser.add_argument("--once", action="store_true", help="look once and end")

    def handle(self, *args: object, interval: float, once: bool, **options: object) -> None:
        stop = threading.Event()
        if not once:
            signal.signal(signal.SIGTERM, lambda *_: stop.set())
            self.stdout.write("waiting for pictures")
        while True:
            self.digest_new_pictures()
            if once or stop.wait(interval):
                break

    def digest_new_pictures(self) -> None:
        for picture in Picture.objects.filter(digest=""):
            with picture.file.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            Picture.objects.filter(pk=picture.pk).update(digest=digest)
            self.stdout.write(f"picture {picture.pk}: {digest}")
