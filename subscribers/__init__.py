"""Who agreed to what, the proof of it, and the gate's predicate."""
