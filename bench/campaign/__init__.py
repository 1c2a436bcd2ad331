"""A campaign of faults against whole refines: what people drew is never lost, written twice, or written too late."""
