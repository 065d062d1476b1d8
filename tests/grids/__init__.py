"""Every CF grid that files come on, held against descriptions made without the package."""
