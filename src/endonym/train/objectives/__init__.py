"""What training minimises: one file per objective, and `registry.py` names them."""
