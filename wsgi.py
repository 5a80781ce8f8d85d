from raab import create_app

application = create_app()
