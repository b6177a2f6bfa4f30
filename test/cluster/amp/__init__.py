"""Stand-in for Amazon Managed Service for Prometheus: see server.py for what it serves."""
