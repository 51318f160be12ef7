"""Looks at everything the service needs, step by step, and says what to do about what is not right."""

from connector.checkup.ground import Ground
from connector.checkup.plan import STEPS
from connector.checkup.steps import Finding, Result, Status, Step, failed, fine, run, skipped, warned

__all__ = ["STEPS", "Finding", "Ground", "Result", "Status", "Step", "failed", "fine", "run", "skipped", "warned"]
