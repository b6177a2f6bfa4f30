"""The walkthrough's closed loop, once for all tests: traffic to one app scales two others.

frontend and downstream (examples/app/app.yaml) have collectors. A client in frontend's pod calls
downstream, a little more than once a second for three quarters of a minute, as a person does by
hand. checkout scales on downstream's rate from 0 to at most 5; checkout-wide, on the same, from 1
up to 100. Other tests go on meanwhile.
"""

from __future__ import annotations

import subprocess
from typing import Any

from amp.control import wait_until
from kube import AT_ONCE, Kube, Workload, keyed
from pods import decisions
from sidecar import EXAMPLES, App, documents, named

# In the middle of what comes to ceil(5): (1.0, 1.25] requests a second.
PER_MINUTE = 68
CALLS = 51
QUERY = "rate(ho11y_total[30s])"
QUICKLY = {"polling_interval": "1s", "cooldown_period": "5s"}


class Loop:
    """It runs from the start; what happened is in the scaler's decisions."""

    def __init__(self, kube: Kube) -> None:
        self.kube = kube
        self.frontend, self.downstream = App(kube, "frontend"), App(kube, "downstream")
        self.checkout = Workload(kube, "checkout")
        self.wide = Workload(kube, "checkout-wide")
        for item in documents(EXAMPLES / "app.yaml"):
            if item["kind"] == "Deployment":
                item["metadata"]["annotations"] |= keyed({"scrape_interval": "5s"})
            kube.apply(item).accepted()
        (manifest,) = documents(EXAMPLES / "checkout.yaml")
        self.first_words = self._apply(self.checkout, manifest, QUICKLY).warnings
        (manifest,) = documents(EXAMPLES / "checkout-wide.yaml")
        self._apply(self.wide, manifest, QUICKLY | {"behavior": AT_ONCE})
        for app in (self.frontend, self.downstream):
            app.ready()
        self.traffic = self._call()

    def _apply(self, one: Workload, manifest: dict[str, Any], more: dict[str, str]) -> Any:
        manifest = named(manifest, one.name)
        manifest["metadata"]["annotations"] |= keyed(more)
        return self.kube.apply(manifest).accepted()

    def _call(self) -> subprocess.Popen[str]:
        url = f"http://downstream/?n=[1-{CALLS}]"
        curl = ["curl", "-sS", "--fail", "--rate", f"{PER_MINUTE}/m", "-o", "/dev/null", url]
        place = ["-n", self.kube.namespace, "deployment/frontend", "-c", "ho11y"]
        return subprocess.Popen(
            ["kubectl", "exec", *place, "--", *curl], stderr=subprocess.PIPE, text=True
        )

    def counts(self, one: Workload) -> list[int]:
        """Each count it was set to, in order."""
        return [d["to"] for d in decisions(one) if d["from"] != d["to"]]

    def wait(self, one: Workload, rest: int) -> list[int]:
        """Until it was at five and then at rest; its counts."""

        def over() -> list[int] | None:
            counts = self.counts(one)
            return counts if 5 in counts and counts[-1] == rest else None

        return wait_until(over, 150, f"{one.name} is at 5 and then at {rest}")

    def end(self) -> None:
        self.traffic.kill()
        self.traffic.wait()
        names = ["frontend", "downstream", self.checkout.name, self.wide.name]
        self.kube("delete", "deployment", "--ignore-not-found", *names).accepted()
        self.kube("delete", "service", "--ignore-not-found", *names[:2]).accepted()
