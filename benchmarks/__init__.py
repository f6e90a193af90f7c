"""What a session costs per request, beside its peers: ``nox -s benchmarks``, or ``python -m benchmarks.compare``."""
