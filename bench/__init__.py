"""The server beside others on the same machine: CPU per stanza, memory per session.

``python -m bench [--quick]``; what it measures, and how, is told in docs/performance.rst.
"""
