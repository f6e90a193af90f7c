"""Programs as users write them. Strict mypy and pyright must accept each as it stands, and `mistakes.py`'s marks."""
