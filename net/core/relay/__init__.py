"""Published messages: pushed to some neighbours, announced to the others, pulled with a timeout (DESIGN section 3.5).

Nothing is passed on before the application's verdict. To whom a message is pushed is a `RelayPlan`'s choice.
"""
