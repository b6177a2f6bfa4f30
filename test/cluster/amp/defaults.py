"""The identity every test uses. None of it is or ever was valid at AWS."""

ACCESS_KEY = "AKIAMPSCALETESTONLY0"
SECRET_KEY = "not-a-real-secret/ampscale+test+only/0000"
ACCOUNT = "000000000000"
USER = f"arn:aws:iam::{ACCOUNT}:user/ampscale-test"
REGION = "us-east-1"
SERVICE = "aps"
WORKSPACE = "ws-00000000-aaaa-4bbb-8ccc-0123456789ab"

LISTEN = "127.0.0.1:9443"
CONTROL = "127.0.0.1:9444"
PROMETHEUS = "127.0.0.1:9090"

# Names the certificate carries: the Service that leads pods here, AMP's and STS' own, the node, and
# the loopback.
NAMES = (
    "amp.amp.svc",
    "amp.amp.svc.cluster.local",
    f"aps-workspaces.{REGION}.amazonaws.com",
    f"sts.{REGION}.amazonaws.com",
    "localhost",
)
ADDRESSES = ("10.88.0.1", "127.0.0.1")
