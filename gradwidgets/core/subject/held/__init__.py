"""What user code may change: recorded, compared, restored and certified."""
