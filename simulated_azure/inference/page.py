"""stub"""
SECURITY_POLICY = "default-src 'none'"
def write_page(document): return "x"
