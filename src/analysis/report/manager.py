"""Lets nbclient, and so papermill, speak to a kernel that somebody else has started."""

from __future__ import annotations

import os
import time
from queue import Empty
from typing import Any

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner

from analysis.report.kernels import Kernel


class _Client(AsyncKernelClient):
    """A client that is ready as soon as the kernel is: jupyter_client's own listens for another
    0.2 s to what nobody says.
    """

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Return when the kernel answers on both channels; raises RuntimeError when it does not."""
        until = time.monotonic() + (timeout or 60)
        while time.monotonic() < until:
            self.kernel_info()
            try:
                answer = await self.get_shell_msg(timeout=1)
                if answer["msg_type"] != "kernel_info_reply":
                    continue
                await self.get_iopub_msg(timeout=1)
            except Empty:
                if not await self.is_alive():
                    msg = "Kernel died before replying to kernel_info"
                    raise RuntimeError(msg) from None
                continue
            self._handle_kernel_info_reply(answer)
            return
        msg = f"Kernel did not respond in {timeout} seconds"
        raise RuntimeError(msg)


class Manager(AsyncKernelManager):
    """A kernel manager of a kernel that runs already; whoever started it ends it."""

    @classmethod
    def of(cls, kernel: Kernel) -> Manager:
        """Return the manager of a running kernel."""
        manager = cls(connection_file=str(kernel.connection_file), client_factory=_Client)
        manager.load_connection_file()
        keeper = LocalProvisioner(
            kernel_id=kernel.connection_file.stem, kernel_spec=manager.kernel_spec, parent=manager
        )
        keeper.process, keeper.pid = kernel.process, kernel.process.pid
        keeper.pgid = os.getpgid(kernel.process.pid)
        manager.provisioner = keeper
        manager.clients = []
        return manager

    clients: list[Any]

    def client(self, **words: Any) -> Any:
        """Return a client, whose channels `close` will close."""
        made = super().client(**words)
        self.clients.append(made)
        return made

    def close(self) -> None:
        """Close the channels of all clients."""
        for client in self.clients:
            client.stop_channels()
        self.clients.clear()
