from starlette_flask import SessionCodec

codec = SessionCodec("a long random secret")
cookie = codec.dumps({"_user_id": "42", "pair": (1, 2)})
assert codec.loads(cookie, max_age=3600) == {"_user_id": "42", "pair": (1, 2)}
