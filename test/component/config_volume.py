"""A directory as kubelet mounts a ConfigMap: NAME -> ..data/NAME, and ..data is swapped."""

from __future__ import annotations

from pathlib import Path


class ConfigVolume:
    def __init__(self, directory: Path, **files: str) -> None:
        """policy="…" is policy.yaml."""
        self.directory = directory
        self.generation = 0
        self.files: dict[str, str] = {}
        directory.mkdir(parents=True, exist_ok=True)
        self.publish(**files)

    def publish(self, **files: str) -> None:
        """Swap in these beside the others as they were, at once."""
        self.files |= files
        self.generation += 1
        target = self.directory / f"..{self.generation}"
        target.mkdir()
        for name, text in self.files.items():
            (target / f"{name}.yaml").write_text(text)
            visible = self.directory / f"{name}.yaml"
            if not visible.is_symlink():
                visible.symlink_to(Path("..data") / visible.name)
        link = self.directory / "..data_tmp"
        link.symlink_to(target.name)
        link.rename(self.directory / "..data")

    def path(self, name: str) -> str:
        return str(self.directory / f"{name}.yaml")
