"""What the server answers to each kind of stanza: one module a topic, one small class with what it needs."""
