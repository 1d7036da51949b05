"""Certificates for tests, made with the openssl program."""

import ssl
import subprocess
from pathlib import Path

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def openssl(*arguments: str, **options: object) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


class Authority:
    """Signs certificates, all of which lie in its folder as NAME.crt and NAME.key."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.certificate, self._key = folder, folder / f"{name}.crt", folder / f"{name}.key"
        subject = ["-subj", f"/O=Tests/CN={name}"]
        openssl(
            "req", "-x509", *_KEY, "-keyout", str(self._key), "-out", str(self.certificate), "-days", "30", *subject
        )

    def issue(self, name: str, *hosts: str, days: int = 30) -> list[str]:
        """The options that serve it. `days`: negative for one that has expired."""
        certificate, key, request = (self.folder / f"{name}.{end}" for end in ("crt", "key", "csr"))
        extensions = self.folder / f"{name}.ext"
        names = ",".join(f"DNS:{host}" for host in hosts or ["localhost"])
        extensions.write_text(f"subjectAltName={names}\n")
        openssl("req", *_KEY, "-keyout", str(key), "-out", str(request), "-subj", f"/O=Tests/CN={name}")
        signer = ["-CA", str(self.certificate), "-CAkey", str(self._key), "-CAcreateserial"]
        ends = ["-in", str(request), "-out", str(certificate), "-extfile", str(extensions)]
        openssl("x509", "-req", *ends, *signer, "-days", str(days))
        return ["--certfile", str(certificate), "--keyfile", str(key)]

    def pem(self, name: str) -> dict[str, str]:
        """As the edge's `certificates` message holds it."""
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        return {
            "certificate": certificate.read_text(),
            "key": key.read_text(),
            "certificate_file": str(certificate),
            "key_file": str(key),
        }

    def client(self, name: str | None = None) -> ssl.SSLContext:
        """What clients connect with: they trust this authority, and show the certificate of that name."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        if name:
            context.load_cert_chain(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        return context
