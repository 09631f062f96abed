"""What may be said on a stream, and when: negotiation, SASL, stream management. No sockets."""
