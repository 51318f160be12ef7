"""The lab's control API: how a test, a script or a person moves phones and orders faults. See docs/lab.md."""
