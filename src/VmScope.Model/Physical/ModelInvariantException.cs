namespace VmScope.Physical;

/// <summary>A mistake of the model itself: its state contradicts its own rules.</summary>
public sealed class ModelInvariantException(string message) : Exception(message)
{
    /// <summary>Stops when a rule does not hold.</summary>
    /// <exception cref="ModelInvariantException"><paramref name="holds"/> is false.</exception>
    internal static void Unless(bool holds, [System.Runtime.CompilerServices.InterpolatedStringHandlerArgument(nameof(holds))] ref Complaint complaint)
    {
        if (!holds)
        {
            throw new ModelInvariantException(complaint.Text);
        }
    }

    /// <summary>A message that is put together only when it is needed: rules are checked by the million.</summary>
    [System.Runtime.CompilerServices.InterpolatedStringHandler]
    internal ref struct Complaint
    {
        private System.Runtime.CompilerServices.DefaultInterpolatedStringHandler _text;
        private readonly bool _wanted;

        public Complaint(int literalLength, int formattedCount, bool holds, out bool shouldAppend)
        {
            shouldAppend = _wanted = !holds;
            _text = holds ? default : new(literalLength, formattedCount, System.Globalization.CultureInfo.InvariantCulture);
        }

        internal string Text => _wanted ? _text.ToStringAndClear() : "";

        public void AppendLiteral(string value) => _text.AppendLiteral(value);

        public void AppendFormatted<T>(T value, string? format = null) => _text.AppendFormatted(value, format);
    }
}
