using VmScope.Vmalloc;

namespace VmScope.Proc;

/// <summary>Takes the rows of a list as they are read, a batch at a time.</summary>
public abstract class VmallocRowSink
{
    /// <summary>Takes rows in file order.</summary>
    /// <param name="rows">The rows; gone when the call returns.</param>
    /// <param name="nodes">The node counts that the rows of this batch point into.</param>
    public abstract void Add(ReadOnlySpan<VmallocRow> rows, ReadOnlySpan<NodePages> nodes);
}

/// <summary>Keeps every row.</summary>
internal sealed class ReportSink(VmallocReportBuilder builder) : VmallocRowSink
{
    public override void Add(ReadOnlySpan<VmallocRow> rows, ReadOnlySpan<NodePages> nodes)
    {
        foreach (ref readonly VmallocRow row in rows)
        {
            builder.Add(row, nodes.Slice(row.FirstNode, row.NodeCount));
        }
    }
}
