package netpol

func Main() int { return 0 }
