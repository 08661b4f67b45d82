using System.Collections.Immutable;
using System.Text;

namespace VmScope.Lab;

/// <summary>Reads statements out of tokens.</summary>
/// <remarks>
/// An operator joins two values when it touches both or neither of them: <c>p-4</c> and <c>p - 4</c> are differences,
/// <c>p -4</c> is two arguments.
/// </remarks>
internal sealed class LabParser
{
    private const int DepthMax = 32;

    // Loosest first.
    private static readonly string[][] Operators = [["==", "!=", "~", "<", "<=", ">", ">="], ["+", "-"], ["*", "/", "%"]];
    private readonly List<Token> _tokens;
    private readonly Func<string, bool> _isCommand;
    private int _at;
    private int _depth;

    private LabParser(List<Token> tokens, Func<string, bool> isCommand) => (_tokens, _isCommand) = (tokens, isCommand);

    /// <summary>Whether text ends inside a block, so that more lines must follow.</summary>
    internal static bool IsOpen(string text)
    {
        int depth = 0;
        foreach (Token token in Tokenizer.Split(text))
        {
            depth += token.Is("{") ? 1 : token.Is("}") ? -1 : 0;
        }

        return depth > 0;
    }

    /// <summary>Reads a whole script.</summary>
    internal static ImmutableArray<Statement> Parse(string text, Func<string, bool> isCommand, int firstLine = 1)
    {
        LabParser parser = new(Tokenizer.Split(text, firstLine), isCommand);
        ImmutableArray<Statement> statements = parser.Statements(insideBlock: false);
        return statements;
    }

    private Token Next => _tokens[_at];

    private Token After => _tokens[Math.Min(_at + 1, _tokens.Count - 1)];

    private bool AtLineEnd => Next.Kind == TokenKind.LineEnd;

    private ImmutableArray<Statement> Statements(bool insideBlock)
    {
        ImmutableArray<Statement>.Builder statements = ImmutableArray.CreateBuilder<Statement>();
        while (_at < _tokens.Count)
        {
            if (AtLineEnd)
            {
                _at++;
                continue;
            }

            if (Next.Is("}"))
            {
                if (!insideBlock)
                {
                    throw Next.Error("this } closes nothing");
                }

                _at++;
                return statements.ToImmutable();
            }

            statements.Add(Statement());
            if (_at < _tokens.Count && !AtLineEnd && !Next.Is("}"))
            {
                throw Next.Error($"'{Next.Text}' is too much here");
            }
        }

        return insideBlock ? throw _tokens[^1].Error("a { is not closed with }") : statements.ToImmutable();
    }

    private Statement Statement()
    {
        if (++_depth > DepthMax)
        {
            throw Next.Error($"statements are nested deeper than {DepthMax}");
        }

        Token at = Next;
        if (at.Kind != TokenKind.Word)
        {
            throw at.Error($"a command or a name begins a line, not '{at.Text}'");
        }

        Statement statement = at.Text.ToLowerInvariant() switch
        {
            "repeat" when !IsAssignment() => Repeat(),
            "expect" when !IsAssignment() => Expect(),
            _ => IsAssignment() ? Assignment() : Command(target: null),
        };
        _depth--;
        return statement;
    }

    private bool IsAssignment()
    {
        if (After.Is("="))
        {
            return true;
        }

        if (!After.Is("["))
        {
            return false;
        }

        int depth = 0;
        for (int i = _at + 1; i < _tokens.Count && _tokens[i].Kind != TokenKind.LineEnd; i++)
        {
            depth += _tokens[i].Is("[") ? 1 : _tokens[i].Is("]") ? -1 : 0;
            if (depth == 0)
            {
                return _tokens[i + 1].Is("=");
            }
        }

        return false;
    }

    private Statement Assignment()
    {
        Token at = Next;
        Expression.Name target = (Expression.Name)Primary();
        _at++;
        return Next.Kind == TokenKind.Word && _isCommand(Next.Text) && !After.Is("(")
            ? Command(target)
            : new Statement.Assign(target, Expression(0), at);
    }

    private Statement.Command Command(Expression.Name? target)
    {
        Token at = Next;
        if (!_isCommand(at.Text))
        {
            throw at.Error($"there is no command '{at.Text}'; help lists them");
        }

        _at++;
        ImmutableArray<Argument>.Builder arguments = ImmutableArray.CreateBuilder<Argument>();
        while (!AtLineEnd && !Next.Is("}"))
        {
            arguments.Add(OneArgument());
        }

        return new Statement.Command(at.Text.ToLowerInvariant(), arguments.ToImmutable(), target, at);
    }

    private Argument OneArgument()
    {
        Token at = Next;
        if (at.Is("--"))
        {
            // --json and the like: a flag, whose name may have dashes.
            _at++;
            string flag = RawWord();
            return new Argument("--" + flag, new Expression.Literal(LabValue.Of(1), at), flag, at);
        }

        if (at.Kind == TokenKind.Word && After.Is("=") && After.IsGlued)
        {
            _at += 2;
            int start = _at;
            string raw = AtLineEnd ? throw Next.Error($"{at.Text}= needs a value") : RawAhead();
            Expression value = TryExpression(start) ?? Skipped(raw, at);
            return new Argument(at.Text.ToLowerInvariant(), value, raw, at);
        }

        int begin = _at;
        string text = RawAhead();
        return new Argument(Option: null, TryExpression(begin) ?? Skipped(text, at), text, at);
    }

    /// <summary>Reads an expression, or gives up when what stands there is a word such as 2.6.27 or x86-64.</summary>
    private Expression? TryExpression(int start)
    {
        _at = start;
        // Versions and architecture names are glued pieces that make no expression.
        if (LooksLikeName())
        {
            return null;
        }

        return Expression(0);
    }

    private bool LooksLikeName()
    {
        bool hasDot = false;
        int i = _at;
        if (_tokens[i].Kind is not (TokenKind.Number or TokenKind.Word))
        {
            return _tokens[i].Is("/") || _tokens[i].Is(".");
        }

        for (i++; i < _tokens.Count && _tokens[i].IsGlued && _tokens[i].Kind != TokenKind.LineEnd; i++)
        {
            hasDot |= _tokens[i].Is(".") || _tokens[i].Is(":");
        }

        return hasDot || (_tokens[_at].Kind == TokenKind.Word && (_tokens[_at].IsWord("x86") || char.IsAsciiDigit(_tokens[_at].Text[0])));
    }

    private Expression.Name Skipped(string raw, Token at)
    {
        _ = RawWord();
        return new Expression.Name(raw, Index: null, at);
    }

    private string RawAhead()
    {
        int before = _at;
        string raw = RawWord();
        _at = before;
        return raw;
    }

    /// <summary>Joins tokens that touch each other, as they were written.</summary>
    private string RawWord()
    {
        StringBuilder text = new();
        do
        {
            text.Append(Next.Text);
            _at++;
        }
        while (Next.IsGlued && Next.Kind != TokenKind.LineEnd && !Next.Is("}"));
        return text.ToString();
    }

    private Statement.Repeat Repeat()
    {
        Token at = Next;
        _at++;
        Expression count = Expression(0);
        string variable = "i";
        if (Next.IsWord("as"))
        {
            _at++;
            variable = Next.Kind == TokenKind.Word ? Next.Text : throw Next.Error("a name follows 'as'");
            _at++;
        }

        if (Next.Is("{"))
        {
            _at++;
            return new Statement.Repeat(count, variable, Statements(insideBlock: true), at);
        }

        return AtLineEnd
            ? throw Next.Error("a command or { follows the number of repetitions")
            : new Statement.Repeat(count, variable, [Statement()], at);
    }

    private Statement Expect()
    {
        Token at = Next;
        _at++;
        bool isFault = Next.IsWord("fault") && !After.Is("(");
        if ((isFault || (Next.IsWord("fail") && !After.Is("("))) && !IsComparison(After))
        {
            _at++;
            string? text = null;
            if (Next.Kind == TokenKind.Text)
            {
                text = Next.Text;
                _at++;
            }

            return new Statement.ExpectFailure(isFault, text, Statement(), at);
        }

        int start = _at;
        Expression condition = Expression(0);
        StringBuilder source = new();
        for (int i = start; i < _at; i++)
        {
            source.Append(i > start && !_tokens[i].IsGlued ? " " : "")
                .Append(_tokens[i].Kind == TokenKind.Text ? $"\"{_tokens[i].Text}\"" : _tokens[i].Text);
        }

        return new Statement.Expect(condition, source.ToString(), at);
    }

    private static bool IsComparison(Token token) => token.Kind == TokenKind.Symbol && Operators[0].Contains(token.Text);

    private Expression Expression(int level)
    {
        if (++_depth > DepthMax)
        {
            throw Next.Error($"expressions are nested deeper than {DepthMax}");
        }

        Expression left = level == Operators.Length ? Primary() : Expression(level + 1);
        while (level < Operators.Length && Next.Kind == TokenKind.Symbol && Operators[level].Contains(Next.Text) && Joins())
        {
            Token at = Next;
            _at++;
            left = new Expression.Binary(at.Text, left, Expression(level + 1), at);
        }

        _depth--;
        return left;
    }

    /// <summary>Whether an operator stands between two values rather than before the next argument.</summary>
    private bool Joins() => Next.IsGlued || !After.IsGlued;

    private Expression Primary()
    {
        Token at = Next;
        _at++;
        switch (at.Kind)
        {
            case TokenKind.Number:
                return new Expression.Literal(LabValue.Of(at.Value), at);
            case TokenKind.Text:
                return new Expression.Literal(LabValue.Of(at.Text), at);
            case TokenKind.Word when Next.Is("(") && Next.IsGlued:
                _at++;
                ImmutableArray<Expression>.Builder arguments = ImmutableArray.CreateBuilder<Expression>();
                while (!Next.Is(")"))
                {
                    arguments.Add(Expression(0));
                    if (Next.Is(","))
                    {
                        _at++;
                    }
                    else if (!Next.Is(")"))
                    {
                        throw Next.Error(") or , is missing");
                    }
                }

                _at++;
                return new Expression.Call(at.Text.ToLowerInvariant(), arguments.ToImmutable(), at);
            case TokenKind.Word when Next.Is("[") && Next.IsGlued:
                _at++;
                Expression index = Expression(0);
                if (!Next.Is("]"))
                {
                    throw Next.Error("] is missing");
                }

                _at++;
                return new Expression.Name(at.Text, index, at);
            case TokenKind.Word:
                return new Expression.Name(at.Text, Index: null, at);
            case TokenKind.Symbol when at.Is("("):
                Expression inner = Expression(0);
                if (!Next.Is(")"))
                {
                    throw Next.Error(") is missing");
                }

                _at++;
                return inner;
            case TokenKind.Symbol when at.Is("-"):
                return new Expression.Unary("-", Primary(), at);
            default:
                throw at.Error(at.Kind == TokenKind.LineEnd ? "a value is missing at the end of the line" : $"a value stands here, not '{at.Text}'");
        }
    }
}
