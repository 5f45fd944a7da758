"""SQL: schema, engines and one module per aggregate. Knows the model only."""
