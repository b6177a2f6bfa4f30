"""Where the node's programs are kept, and which of them belong to this tree.

Each module of ``mod/`` is one entry: its key is a hash of everything that decides its bytes
(go.mod, go.sum, flags), so a changed module is built again and the others are not. ``bin_dir``
joins the entries into the one directory that goes on PATH; its name is the hash of all keys.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
KUBE = "k8s.io/kubernetes"
KUBE_VERSION_VARIABLES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
GO_FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false")


@dataclass(frozen=True)
class Module:
    """One thing to build. ``packages`` maps a program to its main package; no packages: C."""

    name: str
    packages: dict[str, str] = field(default_factory=dict)
    pinned: str = ""  # the module in go.mod whose version names the build
    cgo: bool = False
    tags: str = ""
    variables: tuple[str, ...] = ()  # -X NAME=version
    keeps: str = ""  # a folder of the pinned module, kept beside the programs
    home: Path | None = None  # where go.mod is, if not in mod/NAME
    minutes: float = 0.0  # on two cores, to tell a person what to expect

    @property
    def programs(self) -> tuple[str, ...]:
        return tuple(self.packages) or (self.name,)

    @property
    def folder(self) -> Path:
        if self.home:
            return self.home
        return HERE / "mod" / self.name if self.packages else HERE

    def version(self) -> str:
        """The version pinned in go.mod; "1" for what is not a Go module."""
        if not self.packages:
            return "1"
        text = (self.folder / "go.mod").read_text()
        found = re.search(rf"^\s*(?:require )?{re.escape(self.pinned)} (v\S+)", text, re.M)
        if not found:
            raise SystemExit(f"{self.folder}/go.mod does not require {self.pinned}")
        return found.group(1)

    def ldflags(self) -> str:
        version = self.version()
        flags = ["-s", "-w"] + [f"-X {name}={version}" for name in self.variables]
        if self.pinned == KUBE:
            major, minor = version.lstrip("v").split(".")[:2]
            for package in KUBE_VERSION_VARIABLES:
                flags.append(f"-X {package}.gitVersion={version}")
                flags.append(f"-X {package}.gitMajor={major} -X {package}.gitMinor={minor}")
        return " ".join(flags)

    def command(self, go: str, out: Path) -> list[str]:
        """What builds all programs of the module into ``out``; run in ``folder``."""
        if not self.packages:
            flags = ["-std=gnu17", "-O2", "-static", "-s", "-Wall", "-Wextra", "-Werror"]
            return ["gcc", *flags, "-o", str(out / self.name), f"{self.name}.c"]
        tags = ["-tags", self.tags] if self.tags else []
        strip = ["-gcflags=all=-dwarf=false", "-ldflags", self.ldflags()]
        target = f"{out}/"
        if len(self.packages) == 1:
            target += self.programs[0]
        return [go, "build", *GO_FLAGS, *tags, *strip, "-o", target, *self.packages.values()]

    def key(self) -> str:
        digest = hashlib.sha256()
        digest.update(repr((self.command("go", Path("out")), self.cgo)).encode())
        digest.update(self.keeps.encode())
        if self.packages:
            own = sorted(self.folder.glob("*.go"))
            sources = [self.folder / "go.mod", self.folder / "go.sum", *own]
        else:
            sources = [HERE / f"{self.name}.c"]
        for source in sources:
            digest.update(source.read_bytes())
        return digest.hexdigest()[:16]

    def entry(self) -> Path:
        return cache_root() / f"{self.name}-{self.key()}"

    def cached(self) -> bool:
        kept = (self.keeps,) if self.keeps else ()
        return all((self.entry() / name).exists() for name in (*self.programs, *kept))


def _kube(*programs: str) -> dict[str, str]:
    return {program: f"{KUBE}/cmd/{program}" for program in programs}


CONTAINERD = "github.com/containerd/containerd/v2"

# Small ones first: a missing header or a closed network shows in seconds.
MODULES = (
    Module("pause"),
    Module(
        "runc",
        {"runc": "github.com/opencontainers/runc"},
        "github.com/opencontainers/runc",
        cgo=True,
        tags="seccomp",
        minutes=0.5,
    ),
    Module("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}, "go.etcd.io/etcd/server/v3", minutes=1),
    Module(
        "containerd",
        {
            name: f"{CONTAINERD}/cmd/{name}"
            for name in ("containerd", "containerd-shim-runc-v2", "ctr")
        },
        CONTAINERD,
        tags="no_btrfs,no_devmapper,no_zfs,no_aufs",
        variables=(f"{CONTAINERD}/version.Version",),
        minutes=1,
    ),
    Module(
        "coredns",
        {"coredns": "github.com/coredns/coredns"},
        "github.com/coredns/coredns",
        minutes=2,
    ),
    Module(
        "helm",
        {"helm": "helm.sh/helm/v4/cmd/helm"},
        "helm.sh/helm/v4",
        variables=("helm.sh/helm/v4/internal/version.version",),
        minutes=2,
    ),
    Module(
        "kubernetes",
        _kube(
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kube-proxy",
            "kubelet",
            "kubectl",
        ),
        KUBE,
        minutes=9,
    ),
)

KEDA = "github.com/kedacore/keda/v2"
VICTORIA = "github.com/VictoriaMetrics/VictoriaMetrics"

# Not on the node's PATH: only benchmarks and long tests ask for these, by name.
OPTIONAL = (
    Module(
        "kwok",
        {"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
        "sigs.k8s.io/kwok",
        keeps="kustomize/stage",
        minutes=1,
    ),
    Module(
        "keda",
        {name: f"{KEDA}/cmd/{name}" for name in ("operator", "adapter")},
        KEDA,
        variables=(f"{KEDA}/version.Version",),
        keeps="config",
        minutes=15,
    ),
    Module(
        "registry",
        {
            "registry": "github.com/distribution/distribution/v3/cmd/registry",
            "crane": "github.com/google/go-containerregistry/cmd/crane",
        },
        "github.com/distribution/distribution/v3",
        minutes=2,
    ),
    # The oldest Helm that the chart promises, and a linter of what it renders: test/chart.
    Module("helm3", {"helm": "helm.sh/helm/v3/cmd/helm"}, "helm.sh/helm/v3", minutes=2),
    Module(
        "kubescore",
        {"kube-score": "github.com/zegl/kube-score/cmd/kube-score"},
        "github.com/zegl/kube-score",
        minutes=0.5,
    ),
    Module(
        "vmagent",
        {"vmagent": f"{VICTORIA}/app/vmagent"},
        VICTORIA,
        minutes=1,
    ),
    # A main package of ours around Kubernetes' HPA controller: ./run compare.
    Module("hpa", {"hpa": "."}, KUBE, home=HERE.parent / "reference" / "hpa", minutes=4),
    # A main package of ours: what the collector's builder would write.
    Module(
        "otelcollector",
        {"otelcollector": "."},
        "go.opentelemetry.io/collector/otelcol",
        variables=("main.version",),
        minutes=8,
    ),
    # A main package of ours around Grafana's model of a dashboard: test/chart.
    Module(
        "dashboard", {"dashboard": "."}, "github.com/grafana/grafana-foundation-sdk/go", minutes=1
    ),
)


def optional(name: str) -> Module:
    return next(module for module in OPTIONAL if module.name == name)


def cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "ampscale"


def bin_dir() -> Path:
    """The directory that goes on PATH; it exists once everything was built."""
    keys = "".join(module.key() for module in MODULES)
    return cache_root() / hashlib.sha256(keys.encode()).hexdigest()[:16] / "bin"


def missing() -> list[str]:
    """The modules that must be built before the node can start."""
    return [module.name for module in MODULES if not module.cached()]


def complete() -> bool:
    programs = [program for module in MODULES for program in module.programs]
    return all((bin_dir() / program).exists() for program in programs)
