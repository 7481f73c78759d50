"""The example application's images, made on this machine."""

from __future__ import annotations

from pathlib import Path

from local_cluster import images

DIRECTORY = Path(__file__).parent.parent.parent / "examples" / "guestbook"
MANIFEST = DIRECTORY / "guestbook.yaml"
NODE_PORT = 30080

# A container's first process only gets signals that it handles; the shell handles this one.
_SERVE = "httpd -f -p 8080 -h /www & trap 'kill $!; exit 0' TERM; wait"
_HTTPD = ("sh", "-c", _SERVE)


def make_images(podman_socket: Path) -> None:
    """Import the web tier, in two good versions and one that does not start, and the store.

    Raises:
        ImageError: There is no static busybox, or Podman refused an image.
    """
    web, store = (DIRECTORY / "images" / name for name in ("web/index.cgi", "store/visit.cgi"))
    for version in ("1", "2"):
        files = {
            "www/cgi-bin/index.cgi": web.read_bytes(),
            "www/healthz": b"ok\n",
            "version": f"{version}\n".encode(),
        }
        tar = images.root_filesystem(files)
        images.import_image(
            podman_socket, f"localhost/guestbook-web:{version}", tar, command=_HTTPD
        )
    # A release that does not start, to show that a rollout stops at it.
    tar = images.root_filesystem({"version": b"broken\n"})
    images.import_image(podman_socket, "localhost/guestbook-web:broken", tar, command=("false",))
    files = {"www/cgi-bin/visit": store.read_bytes()}
    tar = images.root_filesystem(files, empty_directories=["data"])
    images.import_image(podman_socket, "localhost/guestbook-store:1", tar, command=_HTTPD)
