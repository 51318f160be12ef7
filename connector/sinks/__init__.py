"""Where outbox rows go. Each sink has its own order and its own lag; none waits for another."""
