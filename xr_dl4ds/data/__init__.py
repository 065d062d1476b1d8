"""Training data: conversion of the user's LR, HR, predictor and static fields to channels.

This folder works on arrays; it does not import Keras or TensorFlow.
"""
