"""The description of the REST API and the device API as an OpenAPI document, made from the code that serves them."""
