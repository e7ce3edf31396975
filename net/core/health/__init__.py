"""How well the network that the map shows holds together (DESIGN section 3.6).

`structure` copies what is needed off the map, `survey` measures the copy (a pure function, for a worker), `monitor`
says when to do so, turns what was found into alarms, and names the peers to which links would mend a weak cut. The
overlay alone opens links; figures here are floats and feed alarms and drawings, nothing that is sent or compared.
"""
