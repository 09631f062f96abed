"""Administration: commands declared once, offered over the control socket and the manhole."""
