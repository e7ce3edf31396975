"""Who a node is: its key, its id and the id's proof of work (DESIGN section 3.1).

Makes and checks proofs and signs with the node's key. Where the key is kept is the caller's affair; who may link with
whom is `overlay`'s.
"""
