"""Copies of files and folders to another machine, with the destinations of the real plugin.

source   destination is a folder   does not exist   is a file
folder   destination/folder        the same         error
folder/  into destination          the same         error
file     destination/file          destination      overwritten
"""

import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.toolchain.standin.values import Values

if TYPE_CHECKING:
    import asyncssh


async def copy_to_remote(sftp: "asyncssh.SFTPClient", source: Values, destination: str) -> None:
    """Copy an asset or an archive (a folder or a file) as the engine gives it."""
    if "text" in source:
        if await sftp.isdir(destination):
            raise ValueError(
                f"remote path {destination} is a directory; when using a text asset, remotePath must be a file path"
            )
        await sftp.makedirs(posixpath.dirname(destination) or ".", exist_ok=True)
        await write(sftp, source["text"].encode(), destination)
        return
    path = Path(source["path"])
    if path.is_dir():
        await copy_folder(sftp, source["path"], destination)
        return
    if await sftp.isdir(destination):
        destination = posixpath.join(destination, path.name)
    else:
        await sftp.makedirs(posixpath.dirname(destination) or ".", exist_ok=True)
    await copy_file(sftp, source["path"], destination)


async def copy_file(sftp: "asyncssh.SFTPClient", source: str, destination: str) -> None:
    await write(sftp, Path(source).read_bytes(), destination)


async def write(sftp: "asyncssh.SFTPClient", content: bytes, destination: str) -> None:
    import asyncssh

    try:
        async with sftp.open(destination, "wb") as file:
            await file.write(content)
    except asyncssh.SFTPError as error:
        raise OSError(f"failed to write to remote path {destination}: {error}") from error


async def copy_folder(sftp: "asyncssh.SFTPClient", source: str, destination: str) -> None:
    await folder(sftp, destination, parents=True)
    if not source.endswith("/"):
        destination = posixpath.join(destination, Path(source).name)
        await folder(sftp, destination)
    for path in sorted(Path(source).rglob("*")):
        there = posixpath.join(destination, path.relative_to(source).as_posix())
        if path.is_dir():
            await folder(sftp, there)
        else:
            await copy_file(sftp, str(path), there)


async def folder(sftp: "asyncssh.SFTPClient", path: str, parents: bool = False) -> Any:
    if await sftp.isdir(path):
        return
    if await sftp.exists(path):
        raise NotADirectoryError(f"remote path {path} exists but is not a directory")
    await (sftp.makedirs(path) if parents else sftp.mkdir(path))
