using System.Collections.Immutable;

namespace VmScope.Lab;

/// <summary>An expression.</summary>
internal abstract record Expression(Token At)
{
    internal sealed record Literal(LabValue Value, Token At) : Expression(At);

    /// <summary>A variable, or a bare word that a command takes as a keyword.</summary>
    internal sealed record Name(string Text, Expression? Index, Token At) : Expression(At);

    internal sealed record Call(string Function, ImmutableArray<Expression> Arguments, Token At) : Expression(At);

    internal sealed record Unary(string Operator, Expression Operand, Token At) : Expression(At);

    internal sealed record Binary(string Operator, Expression Left, Expression Right, Token At) : Expression(At);
}

/// <summary>An argument of a command: a value in its place, or name=value.</summary>
/// <param name="Option">The name; null for a value in its place.</param>
/// <param name="Value">The value.</param>
/// <param name="Raw">The text as it was written, without quotes: for arguments that are no expressions.</param>
/// <param name="At">Where it begins.</param>
internal sealed record Argument(string? Option, Expression Value, string Raw, Token At);

/// <summary>A statement of a script.</summary>
internal abstract record Statement(Token At)
{
    /// <summary>Where the statement begins in its text, the name an answer is kept under included.</summary>
    internal int Offset => this is Command { Target: { } target } ? target.At.Offset : At.Offset;

    /// <summary>A command, whose answer may be kept in a variable.</summary>
    internal sealed record Command(string Name, ImmutableArray<Argument> Arguments, Expression.Name? Target, Token At) : Statement(At);

    /// <summary>name = expression.</summary>
    internal sealed record Assign(Expression.Name Target, Expression Value, Token At) : Statement(At);

    /// <summary>repeat N { … }.</summary>
    internal sealed record Repeat(Expression Count, string Variable, ImmutableArray<Statement> Body, Token At) : Statement(At);

    /// <summary>expect EXPRESSION.</summary>
    internal sealed record Expect(Expression Condition, string Source, Token At) : Statement(At);

    /// <summary>expect fail|fault ["text"] COMMAND.</summary>
    internal sealed record ExpectFailure(bool IsFault, string? Text, Statement Inner, Token At) : Statement(At);
}
