#!/usr/bin/python3
"""mount.nfs of the machines, whose kernel has no NFS client: the same protocol (NFS 3), through libnfs and FUSE.

    mount.nfs SERVER:/EXPORT DIRECTORY [-o OPTIONS]

Runs on a machine, on Debian's python3-fusepy and libnfs14. Of the options it knows ro; rights are the kernel's to check
(default_permissions), locks are the machine's own, as with nolock.
"""

import ctypes
import os
import socket
import sys
import threading
from typing import Any

import fusepy as fuse  # type: ignore[import-not-found]

LIBRARY = "libnfs.so.14"
# As the kernel's client (timeo=100, thrice): a connection on which nothing is acknowledged for so long is begun anew. A
# firewall on the way that has been off knows nothing of it.
UNACKNOWLEDGED = ctypes.c_int(30_000)  # milliseconds
NAMES = ("dev", "ino", "mode", "nlink", "uid", "gid", "rdev", "size", "blksize", "blocks", "atime", "mtime", "ctime")


class Stat(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in (*NAMES, "atime_nsec", "mtime_nsec", "ctime_nsec", "used")]


class Entry(ctypes.Structure):
    """The beginning of a directory's entry."""


Entry._fields_ = [("next", ctypes.POINTER(Entry)), ("name", ctypes.c_char_p)]


SPACE = (
    *("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail", "f_fsid", "f_flag"),
    "f_namemax",
)


class Space(ctypes.Structure):
    """struct statvfs."""

    _fields_ = [*((name, ctypes.c_ulong) for name in SPACE), ("spare", ctypes.c_int * 6)]


class Timeval(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("microseconds", ctypes.c_long)]


class Nfs:
    """libnfs, one call at a time: a negative answer is an error's number."""

    def __init__(self, server: str, export: str) -> None:
        self.library = ctypes.CDLL(LIBRARY)
        self.library.nfs_init_context.restype = ctypes.c_void_p
        self.library.nfs_get_error.restype = ctypes.c_char_p
        self.system = ctypes.CDLL(None)
        self.library.nfs_readdir.restype = ctypes.POINTER(Entry)
        self.lock = threading.Lock()
        self.context = ctypes.c_void_p(self.library.nfs_init_context())
        self.library.nfs_set_version(self.context, 3)
        self.library.nfs_set_autoreconnect(self.context, -1)
        if self.library.nfs_mount(self.context, server.encode(), export.encode()):
            sys.exit(f"mount.nfs: {self.library.nfs_get_error(self.context).decode()} while mounting {server}:{export}")

    def __call__(self, name: str, *given: Any) -> int:
        with self.lock:
            connection = self.library.nfs_get_fd(self.context)  # another one since the last call, it may be
            option = (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, ctypes.byref(UNACKNOWLEDGED))
            self.system.setsockopt(connection, *option, ctypes.sizeof(UNACKNOWLEDGED))
            answer: int = getattr(self.library, "nfs_" + name)(
                self.context, *(value.encode() if isinstance(value, str) else value for value in given)
            )
        if answer < 0:
            raise fuse.FuseOSError(-answer)
        return answer

    def names(self, path: str) -> list[str]:
        folder = ctypes.c_void_p()
        self("opendir", path, ctypes.byref(folder))
        found = []
        while entry := self.library.nfs_readdir(self.context, folder):
            found.append(entry.contents.name.decode(errors="surrogateescape"))
        self.library.nfs_closedir(self.context, folder)
        return found


class Mounted(fuse.Operations):  # type: ignore[misc] # it has no types
    def __init__(self, nfs: Nfs) -> None:
        self.nfs, self.handles, self.last = nfs, dict[int, ctypes.c_void_p](), 0

    # Names

    def getattr(self, path: str, fh: int | None = None) -> dict[str, float]:  # noqa: ARG002
        found = Stat()
        self.nfs("lstat64", path, ctypes.byref(found))
        result: dict[str, float] = {f"st_{name}": getattr(found, name) for name in NAMES}
        for moment in ("atime", "mtime", "ctime"):
            result[f"st_{moment}"] += getattr(found, f"{moment}_nsec") / 1e9
        return result

    def readdir(self, path: str, fh: int) -> list[str]:  # noqa: ARG002
        return self.nfs.names(path)

    def readlink(self, path: str) -> str:
        text = ctypes.create_string_buffer(4096)
        self.nfs("readlink", path, text, len(text))
        return text.value.decode(errors="surrogateescape")

    def statfs(self, path: str) -> dict[str, int]:
        found = Space()
        self.nfs("statvfs", path, ctypes.byref(found))
        return {name: getattr(found, name) for name in SPACE if name != "f_fsid"}

    def _mine(self, path: str) -> None:
        """What was made belongs to who made it."""
        uid, gid, _ = fuse.fuse_get_context()
        self.nfs("lchown", path, uid, gid)

    def mkdir(self, path: str, mode: int) -> None:
        self.nfs("mkdir2", path, mode)
        self._mine(path)

    def symlink(self, target: str, source: str) -> None:
        self.nfs("symlink", source, target)
        self._mine(target)

    def link(self, target: str, source: str) -> None:
        self.nfs("link", source, target)

    def rename(self, old: str, new: str) -> None:
        self.nfs("rename", old, new)

    def unlink(self, path: str) -> None:
        self.nfs("unlink", path)

    def rmdir(self, path: str) -> None:
        self.nfs("rmdir", path)

    def chmod(self, path: str, mode: int) -> None:
        self.nfs("chmod", path, mode & 0o7777)

    def chown(self, path: str, uid: int, gid: int) -> None:
        self.nfs("lchown", path, uid, gid)

    def utimens(self, path: str, times: tuple[float, float] | None = None) -> None:
        both = (Timeval * 2)(*(Timeval(int(t), int(t % 1 * 1e6)) for t in times)) if times else None
        self.nfs("utimes", path, both)

    # Contents

    def _opened(self, name: str, *given: Any) -> int:
        handle = ctypes.c_void_p()
        self.nfs(name, *given, ctypes.byref(handle))
        self.last += 1
        self.handles[self.last] = handle
        return self.last

    def open(self, path: str, flags: int) -> int:
        # What the kernel asks for beyond these is the kernel's own business.
        return self._opened("open", path, flags & (os.O_ACCMODE | os.O_TRUNC | os.O_SYNC))

    def create(self, path: str, mode: int, fi: object = None) -> int:  # noqa: ARG002
        number = self._opened("creat", path, mode & 0o7777)
        self._mine(path)
        return number

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:  # noqa: ARG002
        data = ctypes.create_string_buffer(size)
        count = self.nfs("pread", self.handles[fh], ctypes.c_uint64(offset), ctypes.c_uint64(size), data)
        return data.raw[:count]

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:  # noqa: ARG002
        return self.nfs("pwrite", self.handles[fh], ctypes.c_uint64(offset), ctypes.c_uint64(len(data)), data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:  # noqa: ARG002
        self.nfs("truncate", path, ctypes.c_uint64(length))

    def fsync(self, path: str, datasync: int, fh: int) -> None:  # noqa: ARG002
        self.nfs("fsync", self.handles[fh])

    def release(self, path: str, fh: int) -> None:  # noqa: ARG002
        self.nfs("close", self.handles.pop(fh))


def main() -> None:
    source, directory, *rest = sys.argv[1:]
    words = [word for given in rest if not given.startswith("-") for word in given.split(",")]
    server, _, export = source.partition(":")
    mounted = Mounted(Nfs(server, export))
    fuse.FUSE(
        mounted,
        directory,
        foreground=False,
        fsname=source,
        subtype="nfs",
        allow_other=True,
        default_permissions=True,
        nonempty=True,
        dev=False,
        suid=False,
        # Others change files as well: nothing is remembered longer than by NFS clients (actimeo).
        attr_timeout=1,
        entry_timeout=1,
        **({"ro": True} if "ro" in words else {}),
    )


if __name__ == "__main__":
    main()
