"""Mutation testing: the package with one small change at a time, which a test has to notice.

``nox -s mutation`` runs it. The changes come from mutmut's operators; ``equivalent.toml`` lists those that nobody can
notice, each with the reason.
"""
