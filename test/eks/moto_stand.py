"""moto as a server that also makes AMP workspaces by CloudFormation, which it does not by itself.

    moto_stand.py     runs in the environment of test/eks/requirements.txt, prints its URL

It ends when stdin does.
"""

from __future__ import annotations

import sys
from typing import Any

from moto.amp.models import Workspace, amp_backends
from moto.core.common_models import CloudFormationModel
from moto.server import ThreadedMotoServer


class StackWorkspace(CloudFormationModel):
    __module__ = "moto.amp.models"  # moto goes by it

    def __init__(self, workspace: Workspace, account: str, region: str) -> None:
        self.workspace = workspace
        self.backend = amp_backends[account][region]

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::APS::Workspace"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr in ("Arn", "WorkspaceId")

    def get_cfn_attribute(self, name: str) -> str:
        return {"Arn": self.workspace.arn, "WorkspaceId": self.workspace.workspace_id}[name]

    @property
    def physical_resource_id(self) -> str:
        return self.workspace.arn

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> StackWorkspace:
        alias = cloudformation_json["Properties"]["Alias"]
        made = amp_backends[account_id][region_name].create_workspace(alias, {})
        return cls(made, account_id, region_name)

    def delete(self, *_: Any) -> None:
        self.backend.delete_workspace(self.workspace.workspace_id)


def main() -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
