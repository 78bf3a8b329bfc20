"""What the checks read out of one text: the characters it is made of, its language, the answer it concludes with, how
similar it is to another. Knows texts alone, neither rows nor findings.
"""
