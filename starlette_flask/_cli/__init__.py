"""Private: what the commands of ``starlette-flask`` are made of, one noun a file."""
