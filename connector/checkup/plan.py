"""Every step, in the order in which one needs the other."""

from __future__ import annotations

from connector.checkup import database, local, outside, spool
from connector.checkup.ground import Ground
from connector.checkup.steps import Step

STEPS: tuple[Step[Ground], ...] = (
    Step("settings", "Settings", local.right_settings),
    Step("folder", "Data folder", local.folder, ("settings",)),
    Step("disk", "Disk", local.disk, ("folder",)),
    Step("service", "Service", local.service, ("folder",)),
    Step("port", "Address", local.port, ("settings", "service")),
    Step("keys", "Keys", local.keys, ("folder",)),
    Step("spool", "Queue on disk", spool.spool, ("folder",), 30.0),
    Step("engine", "Engine", spool.engine, ("folder",), 75.0),
    Step("database", "Database", database.database, ("service",), 180.0),
    Step("schema", "Schema", database.schema, ("database",), 35.0),
    Step("functions", "Functions", database.functions, ("schema",), 35.0),
    Step("grants", "Grants", database.grants, ("functions",), 35.0),
    Step("probe", "Probe row", database.probe, ("functions",), 35.0),
    Step("whatsapp", "WhatsApp", outside.whatsapp, ("folder",)),
    Step("webhook", "Webhook", outside.webhook, ("settings",)),
    Step("alerts", "Alerts", outside.alerts, ("settings",)),
    Step("clock", "Clock", outside.clock, ("settings",)),
    Step("descriptors", "Open files", local.descriptors),
    Step("language", "Language", local.language),
)
