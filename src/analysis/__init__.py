"""The consumer side: reads runs, incidents and rules; never imports the engine."""
