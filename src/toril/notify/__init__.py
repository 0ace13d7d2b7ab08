"""Reports events of runs to others: the store's log of events, webhooks, mails, OpenTelemetry."""
