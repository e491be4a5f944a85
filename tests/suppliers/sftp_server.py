"""An SSH server on loopback that serves one folder by SFTP: to whoever has the right key, and loses answers on demand."""

import io
import os
import socket
import threading
from pathlib import Path
from typing import Any

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED
from paramiko.sftp import SFTP_OK

HOST, OURS, OTHER = (paramiko.ECDSAKey.generate() for _ in range(3))


def pem(key: paramiko.ECDSAKey) -> str:
    text = io.StringIO()
    key.write_private_key(text)
    return text.getvalue()


class Files(paramiko.SFTPServerInterface):
    """A folder of the test's, spoken with by SFTP. `lose` a rename: it happens, and the answer does not come."""

    root: Path
    lose: list[str]

    def __init__(self, server: Any, *args: Any, root: Path, lose: list[str], **kwargs: Any) -> None:
        self.root, self.lose = root, lose
        super().__init__(server, *args, **kwargs)

    def _real(self, path: str) -> str:
        return str(self.root / self.canonicalize(path).lstrip("/"))

    def list_folder(self, path: str) -> Any:
        folder = self._real(path)
        return [paramiko.SFTPAttributes.from_stat(os.stat(f"{folder}/{name}"), name) for name in os.listdir(folder)]

    def stat(self, path: str) -> Any:
        try:
            return paramiko.SFTPAttributes.from_stat(os.stat(self._real(path)))
        except OSError as problem:
            return paramiko.SFTPServer.convert_errno(problem.errno or 0)

    lstat = stat

    def open(self, path: str, flags: int, attr: Any) -> Any:
        try:
            file = os.fdopen(os.open(self._real(path), flags, 0o600), "wb" if flags & os.O_WRONLY else "rb")
        except OSError as problem:
            return paramiko.SFTPServer.convert_errno(problem.errno or 0)
        handle: Any = paramiko.SFTPHandle(flags)
        handle.filename = self._real(path)
        handle.readfile = handle.writefile = file
        return handle

    def rename(self, oldpath: str, newpath: str) -> int:
        if self.lose:
            what = self.lose.pop()
            if what == "after":
                os.rename(self._real(oldpath), self._real(newpath))
            raise EOFError
        os.rename(self._real(oldpath), self._real(newpath))
        return SFTP_OK


class Door(paramiko.ServerInterface):
    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        good: bool = username == "ehrc" and key.asbytes() == OURS.asbytes()
        return AUTH_SUCCESSFUL if good else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED


class Sftp:
    def __init__(self, root: Path) -> None:
        self.lose: list[str] = []
        self.root = root
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.transports: list[paramiko.Transport] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(sock)
            self.transports.append(transport)
            transport.add_server_key(HOST)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files, root=self.root, lose=self.lose)
            try:
                transport.start_server(server=Door())
            except (paramiko.SSHException, EOFError):
                continue

    def close(self) -> None:
        self.listener.close()
        for transport in self.transports:
            transport.close()
