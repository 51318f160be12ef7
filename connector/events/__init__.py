"""What the service tells of itself and its connections: every event by name, kept, streamed, and sent where somebody wants it."""

from connector.events.registry import BY_NAME, EventType, Scope, Severity
from connector.events.stream import Event, Events, Listener

__all__ = ["BY_NAME", "Event", "EventType", "Events", "Listener", "Scope", "Severity"]
